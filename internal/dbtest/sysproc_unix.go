//go:build unix && !linux

package dbtest

import "syscall"

// childOf runs a child as another user if one is given.
func childOf(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: user}
}
