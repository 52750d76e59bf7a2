package dbtest

import "syscall"

// childOf makes the kernel end a child when the test process dies, however it
// does, and runs the child as another user if one is given.
func childOf(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: user}
}
