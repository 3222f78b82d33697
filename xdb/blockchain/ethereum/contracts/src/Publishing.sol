// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Merkle} from "./Merkle.sol";
import {Namespaces} from "./Namespaces.sol";
import {Slots} from "./Slots.sol";

/// @title New files, all of a call or none: as in `xdb/core/rules/publishing.py`
abstract contract Publishing is Namespaces, Slots {
    function publish(NewFile[] calldata files) external {
        for (uint256 i = 0; i < files.length; ++i) {
            _checkNumbers(files[i]);
        }
        require(
            files.length <= MAX_FILES_PER_CALL, TooLarge(files.length, MAX_FILES_PER_CALL)
        );
        require(files.length != 0, Invalid("files"));
        bytes32[] memory ids = new bytes32[](files.length);
        for (uint256 i = 0; i < files.length; ++i) {
            bytes32 file = _fileId(msg.sender, files[i].nonce);
            _publish(file, files[i], ids, i);
            ids[i] = file;
        }
    }

    /// @dev Nobody else's nonce leads to the sender's id: `xdb/core/files.py`.
    function _fileId(address owner, bytes16 nonce) internal view returns (bytes32) {
        return sha256(
            abi.encodePacked(uint32(11), "xdb/v1/file", block.chainid, address(this), owner, nonce)
        );
    }

    function _checkNumbers(NewFile calldata file) private pure {
        uint256 all = file.redundancy.required | file.redundancy.total | file.size | file.expiry;
        _checkNumber(all, "file");
        Holder[] calldata holders = file.holders;
        for (uint256 i = 0; i < holders.length; ++i) {
            _checkHolder(holders[i]);
        }
    }

    /// @param ids the files that this call has published, of which there are `count`
    function _publish(bytes32 file, NewFile calldata fresh, bytes32[] memory ids, uint256 count)
        private
    {
        require(_files[file].word == 0, FileExists(file));
        _check(file, fresh);
        bytes32 key = _nameKey(msg.sender, fresh.namespace, fresh.name);
        _checkBatch(key, fresh, ids, count);
        if (fresh.replaces != 0) _delete(fresh.replaces, _live(fresh.replaces));
        _takeName(key, fresh.name, file);
        (bytes32 root, uint256[] memory segments) = _enter(file, fresh);
        emit FilePublished(
            file,
            msg.sender,
            fresh.namespace,
            fresh.name,
            fresh.manifest,
            root,
            fresh.redundancy,
            fresh.size,
            fresh.expiry,
            fresh.holders,
            segments,
            fresh.replaces,
            fresh.label
        );
    }

    function _check(bytes32 file, NewFile calldata fresh) private view {
        uint256 policy = _ownedNamespace(fresh.namespace);
        Redundancy calldata given = fresh.redundancy;
        bool isPolicy = given.coding == uint8(policy) && given.required == uint8(policy >> 8)
            && given.total == uint8(policy >> 16);
        require(isPolicy, Policy(given.required, given.total));
        Holder[] calldata holders = fresh.holders;
        require(holders.length == given.total, Holders(file, holders.length));
        for (uint256 i = 1; i < holders.length; ++i) {
            address node = holders[i].node;
            for (uint256 j = 0; j < i; ++j) {
                require(holders[j].node != node, Holders(file, i + 1));
            }
        }
        _checkLabel(fresh.label);
        _checkExpiry(file, fresh.expiry);
    }

    function _checkBatch(
        bytes32 key,
        NewFile calldata fresh,
        bytes32[] memory ids,
        uint256 count
    ) private view {
        if (count == 0) return;
        bytes32 by = _names[key];
        for (uint256 i = 0; i < count; ++i) {
            require(by != ids[i], NameTaken(fresh.name, by));
        }
        for (uint256 i = 0; i < count; ++i) {
            require(fresh.replaces != ids[i], Invalid("replaces"));
        }
    }

    /// @dev Enters the record and its holdings.
    function _enter(bytes32 file, NewFile calldata fresh)
        private
        returns (bytes32 root, uint256[] memory segments)
    {
        Holder[] calldata holders = fresh.holders;
        uint256 total = holders.length;
        root = _fileRoot(fresh.manifest, holders);
        segments = new uint256[](total);
        Spoken memory spoken = Spoken(file, 0, root, 1, fresh.expiry);
        for (uint256 i = 0; i < total; ++i) {
            spoken.slot = i + 1;
            segments[i] = _accept(spoken, holders[i]);
        }
        FileEntry storage entry = _files[file];
        entry.word = _fileWord(msg.sender, fresh.expiry, 0);
        entry.commitment = _commitment(fresh, root, segments);
    }

    /// @dev keccak256(abi.encode(record)), written by hand: a Holder begins with the fields of a
    /// Place, in their order, so each slot is copied whole, with its segment behind it.
    function _commitment(NewFile calldata fresh, bytes32 root, uint256[] memory segments)
        private
        pure
        returns (bytes32 commitment)
    {
        Holder[] calldata holders = fresh.holders;
        bytes32 namespace = fresh.namespace;
        bytes32 name = fresh.name;
        Redundancy calldata redundancy = fresh.redundancy;
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, 32)
            mstore(add(at, 32), namespace)
            mstore(add(at, 64), name)
            mstore(add(at, 96), root)
            calldatacopy(add(at, 128), redundancy, 96)
            mstore(add(at, 224), 1) // version
            mstore(add(at, 256), 256) // where the places begin
            mstore(add(at, 288), holders.length)
            let to := add(at, 320)
            let from := holders.offset
            for { let end := add(from, mul(holders.length, 288)) } lt(from, end) {
                from := add(from, 288)
                to := add(to, 224)
            } {
                calldatacopy(to, from, 192)
                segments := add(segments, 32)
                mstore(add(to, 192), mload(segments))
            }
            commitment := keccak256(at, sub(to, at))
        }
    }

    function _fileRoot(bytes32 manifest, Holder[] calldata holders)
        private
        view
        returns (bytes32)
    {
        bytes32[] memory level = new bytes32[](holders.length + 1);
        level[0] = manifest;
        for (uint256 i = 0; i < holders.length; ++i) {
            level[i + 1] = holders[i].root;
        }
        return Merkle.rootOf(level);
    }
}
