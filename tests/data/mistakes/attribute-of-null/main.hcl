variable "machine" {
  type    = object({ name = string })
  default = null
}

output "o" {
  value = var.machine.name
}
