output "o" {
  value = "abc".upper()
}
