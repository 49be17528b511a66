variable "sizes" {
  default = { small = 1, large = 8 }
}

output "o" {
  value = var.sizes["medium"]
}
