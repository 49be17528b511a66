locals {
  a = [1, 2
}

output "o" {
  value = "open
}

output "p" {
  value = var.nope
}
