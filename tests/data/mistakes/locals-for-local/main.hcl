locals {
  zone = "z"
}

output "o" {
  value = locals.zone
}
