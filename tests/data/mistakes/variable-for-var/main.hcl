variable "region" {
  default = "eu"
}

output "o" {
  value = variable.region
}
