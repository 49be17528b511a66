variable "size" {
  type     = number
  nullable = false
}

output "o" {
  value = var.size
}
