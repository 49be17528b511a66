output "o" {
  value = [for x in ["a"] upper(x)]
}
