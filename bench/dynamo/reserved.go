package dynamo

func isReserved(word string) bool { return false }
