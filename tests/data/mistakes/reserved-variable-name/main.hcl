variable "version" {
  default = "1"
}

variable "locals" {
  default = 1
}

variable "source" {
  default = 1
}
