// SHA-256 of a blob. Statement: 32 bytes root of the blob, then u32 length, most significant byte first.
// The claim is true if it begins with the digest.
package main

import (
	"crypto/sha256"
	"encoding/binary"

	"btc-l2/guest/zkvm"
)

func main() {
	sha256.Sum256(nil) // what the package does only once is done
	zkvm.Booted()
	statement := zkvm.Statement()
	length := binary.BigEndian.Uint32(statement[zkvm.RootBytes:])
	zkvm.Decide(sha256.Sum256(zkvm.Map(0, [zkvm.RootBytes]byte(statement[:zkvm.RootBytes]), int(length))))
}
