//go:build (mips || mipsle) && !hosted

package zkvm

import (
	"syscall"
	"unsafe"
)

const (
	statementAddress = 0xFFFFD000
	claimAddress     = 0xFFFFE000
	resultAddress    = 0xA0000000

	slotsAddress = 0xC0000000
	slotBytes    = 1 << 26

	bootedCall = 9000
	mapCall    = 9001
)

// Booted says that the program is ready for its inputs: here an image can be taken, so that nobody has to run or
// dispute what comes before. It must not have looked at statement, claim or stdin.
func Booted() {
	syscall.RawSyscall(bootedCall, 0, 0, 0)
}

// Statement is the whole page: the statement, then zero bytes.
func Statement() []byte {
	return at(statementAddress, StatementBytes)
}

// Claim is the claim whose truth the program decides, then zero bytes.
func Claim() []byte {
	return at(claimAddress, ClaimBytes)
}

// Map brings the blob with this root into a slot (0 to 14) and gives its first bytes; behind its end they are zero.
func Map(slot int, root [RootBytes]byte, length int) []byte {
	_, _, errno := syscall.RawSyscall(mapCall, uintptr(slot), uintptr(unsafe.Pointer(&root)), 0)
	if errno != 0 || length < 0 || length > slotBytes {
		panic("zkvm: no such slot, or too long")
	}
	return at(slotsAddress+uintptr(slot)*slotBytes, length)
}

func leave(result [ResultBytes]byte) {
	copy(at(resultAddress, ResultBytes), result[:])
}

// The address is no memory of the Go runtime, so neither does it move nor is it collected.
func at(address uintptr, length int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(address)), length)
}
