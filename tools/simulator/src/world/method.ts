/** All calls are of one method, a read. */
export const method = "user.v1.UserService/GetUser";
