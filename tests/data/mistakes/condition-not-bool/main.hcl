output "o" {
  value = "a" ? 1 : 2
}
