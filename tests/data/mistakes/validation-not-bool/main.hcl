variable "n" {
  default = 1

  validation {
    condition     = "n"
    error_message = "No."
  }
}
