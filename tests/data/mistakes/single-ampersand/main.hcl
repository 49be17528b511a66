output "o" {
  value = true & false
}
