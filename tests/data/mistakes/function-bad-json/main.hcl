output "o" {
  value = jsondecode("{a: 1}")
}
