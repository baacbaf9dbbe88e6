package rawjson

import "encoding/json"

// Apart reads object, which must have passed [Check], into rest as
// [json.Unmarshal] does, but for the fields that take takes: those that are
// large, and need not be gone over again and again to be read in the end.
func Apart(object []byte, rest any, take func(key string, value []byte) (taken bool, err error)) error {
	var others []byte
	for f := range Fields(object) {
		taken, err := take(f.Key, f.Value)
		if err != nil {
			return err
		}
		if !taken {
			others = append(AppendString(append(others, ','), f.Key), ':')
			others = append(others, f.Value...)
		}
	}
	if others == nil {
		return nil
	}
	others[0] = '{'
	return json.Unmarshal(append(others, '}'), rest)
}
