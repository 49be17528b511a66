variable "name" {
  default = "n"
}

output "o" {
  value = var.name.first
}
