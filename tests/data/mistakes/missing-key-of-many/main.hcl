locals {
  ports = { for i in range(14) : format("p%02d", i) => i }
}

output "o" {
  value = local.ports["https"]
}
