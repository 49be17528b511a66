variable "users" {
  type      = set(string)
  default   = ["root"]
  sensitive = true
}

resource "terraform_data" "a" {
  for_each = var.users
}
