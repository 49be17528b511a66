locals {
  n = null
}

output "o" {
  value = local.n + 1
}
