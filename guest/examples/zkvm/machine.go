//go:build mips || mipsle

package zkvm

import "unsafe"

const (
	statementAddress = 0xFFFFD000
	claimAddress     = 0xFFFFE000
	resultAddress    = 0xA0000000
)

// Statement is the whole page: the statement, then zero bytes.
func Statement() []byte {
	return at(statementAddress, StatementBytes)
}

// Claim is the claim whose truth the program decides, then zero bytes.
func Claim() []byte {
	return at(claimAddress, ClaimBytes)
}

func leave(result [ResultBytes]byte) {
	copy(at(resultAddress, ResultBytes), result[:])
}

// The address is no memory of the Go runtime, so neither does it move nor is it collected.
func at(address uintptr, length int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(address)), length)
}
