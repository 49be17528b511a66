locals {
  zones = ["a", "b"]
}

output "o" {
  value = local.zones[2]
}
