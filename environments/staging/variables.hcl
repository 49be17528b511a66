variable "cloud" {
  type        = string
  default     = "local"
  description = "Which modules make networks and nodes: modules/network/CLOUD and modules/node/CLOUD."

  validation {
    condition     = contains(["local", "aws"], var.cloud)
    error_message = "There are modules for the clouds \"local\" and \"aws\"."
  }
}

variable "size" {
  type        = number
  default     = 6
  description = "How many edge nodes there are."

  validation {
    condition     = var.size >= 1 && var.size <= 1000 && floor(var.size) == var.size
    error_message = "The size is a whole number from 1 to 1000: ${var.size} is not."
  }
}

variable "domains" {
  type        = list(string)
  default     = ["a", "b", "c"]
  description = "Failure domains that nodes are spread over."
}

variable "network_cidr" {
  type        = string
  default     = "10.88.0.0/16"
  description = "Addresses of the network under the mesh."
}

variable "mesh_cidr" {
  type        = string
  default     = "10.42.0.0/16"
  description = "Addresses inside the mesh."
}

variable "mesh_cipher" {
  type        = string
  default     = "aes"
  description = "Cipher of the mesh: aes or chachapoly, one for all nodes."
}

variable "prometheus_port" {
  type        = number
  default     = 9090
  description = "Port on 127.0.0.1 of this machine where Prometheus is offered."
}

variable "rollout" {
  type        = bool
  default     = null
  description = "Whether changes reach the edge nodes in stages, judged by Prometheus; if nothing is said, where it can be asked. What all nodes must have alike, such as the cipher of the mesh, is for a run without it."

  validation {
    condition     = var.rollout != true || var.cloud == "local"
    error_message = "Prometheus on AWS is reached from within the mesh only, and whoever drives a rollout asks it: leave rollout out."
  }
}

variable "rollout_snapshot" {
  type        = bool
  default     = false
  description = "Whether a restore point of the edge nodes is made before a rollout changes the first one."
}

variable "rollout_interval_s" {
  type        = number
  default     = 10
  description = "Seconds between two measurements of the gates."
}

variable "rollout_time_scale" {
  type        = number
  default     = 0.04
  description = "The bakes of modules/rollout/standard (15 minutes to 24 hours) times this."
}

variable "aws_region" {
  type        = string
  default     = "eu-central-1"
  description = "Region of the nodes on AWS; the domains are the letters of its availability zones."
}

variable "aws_image" {
  type        = string
  default     = null
  description = "Image (AMI) of the nodes on AWS: a Debian 12."

  validation {
    condition     = var.cloud != "aws" || var.aws_image != null
    error_message = "Nodes on AWS need an image: --var aws_image=ami-..."
  }
}

variable "aws_machine_type" {
  type        = string
  default     = "t3.small"
  description = "Machine type of the nodes on AWS."
}

variable "aws_ssh_from" {
  type        = set(string)
  default     = []
  description = "Ranges of addresses from which the nodes on AWS are reached by SSH: those of whoever runs this program."
}
