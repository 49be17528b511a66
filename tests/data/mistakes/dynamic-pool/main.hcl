variable "pools" {
  default = ["eu", "us"]
}

node_set "edge" {
  dynamic "pool" {
    for_each = var.pools
    content {
      source = "./node"
      size   = 3
    }
  }
}
