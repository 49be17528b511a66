variable "region" {
  default = "eu"
}

output "o" {
  value = region
}
