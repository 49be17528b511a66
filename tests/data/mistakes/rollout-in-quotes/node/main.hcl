variable "node" {
  type = any
}

resource "local_machine" "this" {
  name    = var.node.name
  network = "main"
}

output "machine" {
  value = local_machine.this
}
