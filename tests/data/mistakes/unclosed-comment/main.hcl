/* about this
output "o" {
  value = 1
}
