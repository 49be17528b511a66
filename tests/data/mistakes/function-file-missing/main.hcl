output "o" {
  value = file("key.pub")
}
