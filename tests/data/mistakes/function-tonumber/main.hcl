output "o" {
  value = tonumber("12px")
}
