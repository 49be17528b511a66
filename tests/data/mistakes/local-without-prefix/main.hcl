locals {
  zone = "z"
}

output "o" {
  value = "in ${zone}"
}
