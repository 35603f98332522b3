package config

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Schema answers every key that a file may have, in the order of the
// documentation. The caller must not change it.
func Schema() []Key { return schema() }

// schema puts the tables together and fills in what the structs know: a key
// with a field has the default that Default gives it.
var schema = sync.OnceValue(func() []Key {
	all := slices.Concat(qemuKeys(), factoryKeys(), helperKeys(), runtimeKeys(), oldKeys())
	base := Default()
	for i := range all {
		k := &all[i]
		if index, ok := fieldIndex()[k.Name]; ok {
			k.Default = plain(reflect.ValueOf(base).Elem().FieldByIndex(index))
		}
	}
	return all
})

var schemaIndex = sync.OnceValue(func() map[string]*Key {
	index := map[string]*Key{}
	for i := range schema() {
		index[schema()[i].Name] = &schema()[i]
	}
	return index
})

// tables are the names of all tables, with those above them ("hypervisor").
var tables = sync.OnceValue(func() map[string]bool {
	found := map[string]bool{}
	for _, k := range schema() {
		for name := k.Name; strings.Contains(name, "."); {
			name = name[:strings.LastIndexByte(name, '.')]
			found[name] = true
		}
	}
	return found
})

// in puts keys into a table.
func in(table string, keys []Key) []Key {
	for i := range keys {
		keys[i].Name = table + "." + keys[i].Name
		if keys[i].AllowList != "" {
			keys[i].AllowList = table + "." + keys[i].AllowList
		}
	}
	return keys
}

// otherHypervisors are the tables of Kata 1.x and 2.x for VMMs that this
// runtime does not drive.
var otherHypervisors = []string{"acrn", "clh", "cloud-hypervisor", "dragonball", "firecracker", "mock", "nemu", "remote", "stratovirt"}
