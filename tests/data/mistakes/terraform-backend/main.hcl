terraform {
  backend "s3" {
    bucket = "b"
  }
}

resource "terraform_data" "a" {
  input = "x"
}
