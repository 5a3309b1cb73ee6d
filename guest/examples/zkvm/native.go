//go:build (!mips && !mipsle) || hosted

package zkvm

import (
	"encoding/hex"
	"fmt"
	"os"
)

// Booted does nothing here.
func Booted() {}

// Statement is the page made of the hexadecimal digits in STATEMENT.
func Statement() []byte {
	return page("STATEMENT", StatementBytes)
}

// Claim is made of the hexadecimal digits in CLAIM.
func Claim() []byte {
	return page("CLAIM", ClaimBytes)
}

// Map gives the first bytes of the file that BLOB names; behind its end they are zero.
func Map(_ int, _ [RootBytes]byte, length int) []byte {
	content, err := os.ReadFile(os.Getenv("BLOB"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "BLOB:", err)
		os.Exit(2)
	}
	return append(content, make([]byte, max(0, length-len(content)))...)[:length]
}

func leave(result [ResultBytes]byte) {
	fmt.Fprintf(os.Stderr, "result %x\n", result)
}

func page(name string, length int) []byte {
	content, err := hex.DecodeString(os.Getenv(name))
	if err != nil || len(content) > length {
		fmt.Fprintf(os.Stderr, "%s must be at most %d bytes in hex\n", name, length)
		os.Exit(2)
	}
	return append(content, make([]byte, length-len(content))...)
}
