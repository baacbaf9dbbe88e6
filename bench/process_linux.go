package main

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuTime is the processor time of a process and its threads so far, to the
// nanosecond: see clock_getcpuclockid(3).
func cpuTime(pid int) (time.Duration, error) {
	const wholeProcess = 2
	clock := ^pid<<3 | wholeProcess
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		return 0, errno
	}
	return time.Duration(now.Nano()), nil
}
