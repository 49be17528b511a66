variable "n" {
  default = 1
}

output "o" {
  value = "n is ${var.n"
}
