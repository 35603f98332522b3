package main

import (
	"encoding/hex"
	"fmt"

	"golang.org/x/sys/unix"
)

func setXattr(path, name, value string) error {
	bytes, err := hex.DecodeString(value)
	if err != nil {
		return err
	}
	if err := unix.Setxattr(path, name, bytes, 0); err != nil {
		return fmt.Errorf("set %s of %s: %w", name, path, err)
	}
	return nil
}

func getXattr(path, name string) error {
	buf := make([]byte, 64<<10) // XATTR_SIZE_MAX
	n, err := unix.Getxattr(path, name, buf)
	if err != nil {
		return fmt.Errorf("get %s of %s: %w", name, path, err)
	}
	fmt.Printf("%x\n", buf[:n])
	return nil
}
