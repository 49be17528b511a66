environment {
}
