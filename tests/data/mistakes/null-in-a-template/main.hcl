variable "name" {
  type    = string
  default = null
}

output "o" {
  value = "name: ${var.name}"
}
