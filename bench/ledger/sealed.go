package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
)

// sealed is a small JSON file with its checksum.
type sealed struct {
	CRC  string          `json:"crc"`
	Body json.RawMessage `json:"body"`
}

// errDamaged says that a sealed file was found, and is not as it was written.
var errDamaged = errors.New("checksum does not match")

// writeSealed writes a value so that the file is there whole or not at all,
// even if the machine stops: written aside, synced, renamed.
func writeSealed(path string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	sum := fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli))
	text, err := json.Marshal(sealed{CRC: sum, Body: body})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeWhole(path, append(text, '\n'))
}

// writeWhole replaces a file in one step.
func writeWhole(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readSealed reads what writeSealed wrote. Where the sum does not match it
// still fills v as far as the JSON allows, and returns errDamaged.
func readSealed(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	err = json.Unmarshal(s.Body, v)
	sum, perr := strconv.ParseUint(s.CRC, 16, 32)
	if perr != nil || uint32(sum) != crc32.Checksum(s.Body, castagnoli) {
		return errDamaged
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}
