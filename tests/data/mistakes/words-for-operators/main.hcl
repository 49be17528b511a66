output "o" {
  value = true and false
}
