output "o" {
  value = regex("[a", "abc")
}
