// Package zkvm gives a Go program what the machine gives every guest: the statement, the claim and a place for
// the result (docs/spec/machine.md; docs/spec/linux.md). A program that does not import it runs as well.
package zkvm

import (
	"bytes"
	"os"
)

// Sizes in bytes.
const (
	StatementBytes = 4096
	ClaimBytes     = 128
	ResultBytes    = 32
	RootBytes      = 32 // of a blob
)

// Exit codes of a program that decides about a claim.
const (
	True  = 0
	False = 1
)

// Decide leaves the result for the host and ends the program: the claim is true if it is the result and 96 zero bytes.
func Decide(result [ResultBytes]byte) {
	leave(result)
	honest := make([]byte, ClaimBytes)
	copy(honest, result[:])
	if bytes.Equal(Claim(), honest) {
		os.Exit(True)
	}
	os.Exit(False)
}
