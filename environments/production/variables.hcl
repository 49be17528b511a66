variable "cloud" {
  type        = string
  default     = "local"
  description = "Which modules make networks and nodes: modules/network/CLOUD and modules/node/CLOUD."

  validation {
    condition     = contains(["local"], var.cloud)
    error_message = "The only cloud there are modules for is \"local\"."
  }
}

variable "size" {
  type        = number
  default     = 24
  description = "How many edge nodes there are."

  validation {
    condition     = var.size >= 3 && var.size <= 1000 && floor(var.size) == var.size
    error_message = "The size is a whole number from 3 to 1000: ${var.size} is not."
  }
}

variable "domains" {
  type        = list(string)
  default     = ["a", "b", "c"]
  description = "Failure domains that nodes are spread over."
}

variable "network_cidr" {
  type        = string
  default     = "10.90.0.0/16"
  description = "Addresses of the network under the mesh."
}

variable "mesh_cidr" {
  type        = string
  default     = "10.43.0.0/16"
  description = "Addresses inside the mesh."
}

variable "mesh_cipher" {
  type        = string
  default     = "aes"
  description = "Cipher of the mesh: aes or chachapoly, one for all nodes."
}

variable "prometheus_port" {
  type        = number
  default     = 9190
  description = "Port on 127.0.0.1 of this machine where Prometheus is offered."
}
