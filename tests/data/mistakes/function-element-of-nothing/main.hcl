output "o" {
  value = element([], 0)
}
