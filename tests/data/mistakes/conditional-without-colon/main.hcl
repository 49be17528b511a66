output "o" {
  value = true ? "a"
}
