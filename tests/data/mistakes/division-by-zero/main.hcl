locals {
  nodes = []
}

output "o" {
  value = 10 % length(local.nodes)
}
