variable "2nd" {
  default = 1
}

output "my output" {
  value = 1
}
