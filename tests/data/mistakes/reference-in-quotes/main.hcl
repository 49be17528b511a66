resource "terraform_data" "a" {
  input = "x"
}

resource "terraform_data" "b" {
  depends_on = ["terraform_data.a"]
}
