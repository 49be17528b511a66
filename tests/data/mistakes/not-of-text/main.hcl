variable "on" {
  default = "maybe"
}

output "o" {
  value = !var.on
}
